use lambda_extension::{Error, Extension, Registration};

struct Greeter {
    function: String,
}

impl Extension for Greeter {
    async fn on_invoke(&mut self, _: lambda_extension::InvokeEvent) -> Result<(), Error> {
        println!("hello, {}", self.function);
        Ok(())
    }
}

#[lambda_extension::main]
async fn main(registration: Registration) -> Result<Greeter, Error> {
    Ok(Greeter { function: registration.function_name.to_string() })
}
