use lambda_extension::NextEvent;

#[lambda_extension::main(nmae = "x", events(invok), worker_threads = 2)] //~ ERROR `nmae` //~ ERROR `invok` //~ ERROR `flavor = "multi_thread"`
#[test] //~ ERROR remove `#[test]`
fn log_extension( //~ ERROR add `async` //~ ERROR the return type is missing
    event: &NextEvent, //~ ERROR remove the `&`
    verbose: bool, //~ ERROR remove this argument
) {
    println!("{event:?} {verbose}");
}
