//! Runs the gateway, and behind it the auth Worker and the chat:
//!
//! ```text
//! cargo run -p chat -- dev -c examples/chat/gateway.toml -c examples/chat/worker.toml -c examples/auth/worker.toml
//! cargo run -p chat --bin chat-client -- ws://localhost:8787/chat/lobby t0ken        # Ada, in another terminal
//! cargo run -p chat --bin chat-client -- ws://localhost:8787/chat/lobby an-other     # Grace, in a third
//! ```

use std::process::ExitCode;

fn main() -> ExitCode {
    chat::host().run()
}
