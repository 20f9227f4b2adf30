use lambda_extension::{Error, NextEvent};

struct Logger;

impl Logger {
    #[lambda_extension::main]
    async fn log(&self, event: NextEvent) -> Result<(), Error> { //~ ERROR `self` has no place
        println!("{event:?}");
        Ok(())
    }
}

fn main() {
    drop(Logger);
}
