//! `extension_fn` takes closures: with a state of their own, and with their error type in the last line.
use lambda_extension::{Error, InvokeEvent, extension_fn};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut invocations = 0;
    let greeting = String::from("hello");
    let extension = extension_fn(move |event: InvokeEvent| {
        invocations += 1;
        let line = format!("{greeting}: invocation {invocations} is {event}");
        async move {
            println!("{line}");
            Ok::<_, Error>(())
        }
    });
    lambda_extension::run(extension).await
}
