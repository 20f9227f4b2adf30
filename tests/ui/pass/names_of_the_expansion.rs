//! A program may use the names of the expansion for itself.
use lambda_extension::{Error, Extension, Registration};

mod library {
    pub(crate) struct Options(pub(crate) String);

    impl lambda_extension::Extension for Options {}
}

fn construct(name: &str) -> library::Options {
    library::Options(name.to_owned())
}

#[lambda_extension::main(name = "counter", events(invoke), on_error = "exit")]
async fn main(registration: Registration) -> Result<impl Extension, Error> {
    let options: library::Options = construct(&registration.function_name);
    println!("{}", options.0);
    Ok(options)
}
