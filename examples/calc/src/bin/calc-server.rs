//! Serves the calculator at an address until it is told to stop:
//!
//! ```text
//! cargo run -p calc --bin calc-server -- unix:/tmp/calc/calc.sock
//! ```

use std::error::Error;

use calc::{Calc, CalcClient, CalcError};
use rpc_runtime::{Server, transport::Address};

struct Calculator;

impl Calc for Calculator {
    async fn divide(&self, dividend: i64, divisor: i64) -> Result<i64, CalcError> {
        dividend.checked_div(divisor).ok_or(CalcError::DividedByZero { dividend })
    }

    async fn sum(&self, numbers: &[i64]) -> Result<i64, CalcError> {
        Ok(numbers.iter().fold(0, |sum, number| sum.wrapping_add(*number)))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let address: Address = std::env::args().nth(1).ok_or("usage: calc-server ADDRESS")?.parse()?;
    let server = Server::new(CalcClient::new(Calculator)).listen(&address).await?;
    for address in server.addresses() {
        println!("the calculator is served at {address}");
    }
    server.run().await?;
    Ok(())
}
