use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
fn log_extension(event: NextEvent) -> Result<(), Error> { //~ ERROR needs an `async fn`; add `async`
    std::future::ready(println!("{event:?}")).await;
    Ok(())
}
