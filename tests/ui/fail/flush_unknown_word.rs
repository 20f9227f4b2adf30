use lambda_extension::{Error, NextEvent};

#[lambda_extension::main(flush = "ends")] //~ ERROR unknown `ends`; did you mean `end`?
async fn log_extension(event: NextEvent) -> Result<(), Error> {
    println!("{event:?}");
    Ok(())
}
