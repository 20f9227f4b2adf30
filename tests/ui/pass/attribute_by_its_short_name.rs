use lambda_extension::{Error, ShutdownEvent, main};

#[main]
async fn say_goodbye(event: ShutdownEvent) -> Result<(), Error> {
    println!("{event}");
    Ok(())
}
