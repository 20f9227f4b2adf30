use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(worker_threads = 2)] //~ ERROR add `flavor = "multi_thread"`
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
