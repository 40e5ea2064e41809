//! What rustc pays for a service of 100 methods and for 100 messages, beside their peers.
//!
//! Arguments are parts of the names to build; their yardsticks are built with them.

use std::{env, io, process::ExitCode};

use rpc_bench::{codegen, figures, report};

fn main() -> io::Result<ExitCode> {
    if let Some(exit) = codegen::build::wrap_rustc() {
        return exit;
    }
    let arguments: Vec<String> = env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let mut projects = codegen::projects();
    if !arguments.is_empty() {
        let asked = |name: &str| arguments.iter().any(|part| name.contains(part));
        let yardsticks: Vec<_> = projects
            .iter()
            .filter(|project| asked(project.name))
            .filter_map(|project| project.yardstick)
            .collect();
        projects.retain(|project| asked(project.name) || yardsticks.contains(&project.name));
    }
    let built = codegen::measure(projects)?;
    codegen::print(&built);
    let entries = codegen::entries(&built);
    figures::print(figures::CODEGEN, &entries);
    report::write("codegen", &entries)?;
    Ok(ExitCode::SUCCESS)
}
