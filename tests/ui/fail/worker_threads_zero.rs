use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(flavor = "multi_thread", worker_threads = 0)] //~ ERROR `worker_threads` must be from 1
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
