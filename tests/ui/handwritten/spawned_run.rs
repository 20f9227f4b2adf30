//! `run` is a future that a task can own and a thread can take over.
use lambda_extension::{Config, Error, Extension, InvokeEvent, extension_fn};

struct Quiet;

impl Extension for Quiet {}

async fn on_invoke(_: InvokeEvent) -> Result<(), Error> {
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let function = tokio::spawn(lambda_extension::run(extension_fn(on_invoke)));
    let value = tokio::spawn(Config::from_env()?.run(Quiet));
    let registered = tokio::spawn(async {
        let registered = Config::from_env()?.register().await?;
        println!("beside {}", registered.registration().function_name);
        registered.run(Quiet).await?;
        Ok::<_, Error>(())
    });
    // Whether this compiles depends on what `extension_fn` says of its type.
    let closure = tokio::spawn(async {
        let extension = extension_fn(async |_: InvokeEvent| Ok::<_, Error>(()));
        Config::from_env()?.run(extension).await?;
        Ok::<_, Error>(())
    });
    function.await??;
    closure.await??;
    value.await??;
    registered.await?
}
