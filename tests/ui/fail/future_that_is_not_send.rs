use std::rc::Rc;

use lambda_extension::{Error, NextEvent};

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> Result<(), Error> { //~ ERROR Rc<
    let event = Rc::new(event);
    std::future::ready(()).await;
    println!("{event:?}");
    Ok(())
}
