use lambda_extension::NextEvent;

#[lambda_extension::main]
async fn log_extension(event: NextEvent) -> String { //~ ERROR String
    format!("{event:?}")
}
