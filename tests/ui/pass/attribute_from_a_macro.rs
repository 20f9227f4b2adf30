//! The arguments and the function may come out of a `macro_rules!`, which wraps them in invisible groups.
macro_rules! extension {
    ($name:literal, $handler:ident, $event:ty, $result:ty) => {
        #[lambda_extension::main(name = $name, events(shutdown))]
        async fn $handler(event: $event) -> $result {
            println!("{event}");
            Ok(())
        }
    };
}

extension!("made-by-a-macro", say_goodbye, lambda_extension::ShutdownEvent, Result<(), lambda_extension::Error>);
