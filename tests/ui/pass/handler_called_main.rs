use lambda_extension::{Error, InvokeEvent};

#[lambda_extension::main]
async fn main(mut event: InvokeEvent) -> Result<(), Error> {
    event.request_id = event.request_id.clone();
    println!("{event:?}");
    Ok(())
}
