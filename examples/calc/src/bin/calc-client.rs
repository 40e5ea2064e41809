//! Calls the calculator that another process serves:
//!
//! ```text
//! cargo run -p calc --bin calc-client -- unix:/tmp/calc/calc.sock
//! ```

use std::{error::Error, time::Duration};

use calc::{Calc, CalcClient};
use rpc_runtime::{CallOptions, Client, transport::Address};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: Address = std::env::args().nth(1).ok_or("usage: calc-client ADDRESS")?.parse()?;
    let calc = CalcClient::at(address).with(CallOptions::new().deadline(Duration::from_secs(2)));
    println!("7 / 2 = {}", calc.divide(7, 2).await?);
    println!("1 + 2 + 3 = {}", calc.sum(&[1, 2, 3]).await?);
    match calc.divide(1, 0).await {
        Ok(quotient) => println!("1 / 0 = {quotient}"),
        Err(error) => println!("1 / 0: {error}"),
    }
    Ok(())
}
