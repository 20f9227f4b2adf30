use lambda_extension::{Error, InvokeEvent};

#[lambda_extension::main(flavor = "multi_thread", worker_threads = 2)]
async fn on_invoke(event: InvokeEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
