//! The list of rows.

use crate::{
    harness::Row,
    peers::{actor, async_trait, axum, direct, http, hyper, rpc, tarpc},
};

/// Every row of the benchmark `in_process`, in the order they are printed.
pub fn all() -> Vec<Row> {
    vec![
        // One call.
        Row::new("add/async_trait", |executor| async_trait::add(executor, 1)),
        Row::new("add/direct", |executor| direct::add(executor, 1)).against("add/async_trait"),
        Row::new("add/actor", |executor| actor::add(executor, 1)).against("add/async_trait"),
        Row::new("add/tarpc_direct", tarpc::direct::add).against("add/async_trait"),
        Row::new("add/tarpc_channel", |executor| tarpc::add(executor, 1)).against("add/async_trait"),
        Row::new("add/rpc", |executor| rpc::add(executor, 1)).against("add/async_trait"),
        Row::new("add/rpc_inside", |executor| rpc::add_inside(executor, 1)).against("add/async_trait"),
        Row::new("add/rpc_metadata", rpc::add_metadata).against("add/async_trait"),
        Row::new("add/rpc_deadline", rpc::add_deadline).against("add/async_trait"),
        Row::new("add/rpc_inherited", rpc::add_inherited).against("add/async_trait"),
        Row::new("add/rpc_intercepted", rpc::add_intercepted).against("add/async_trait"),
        // A chain of Workers each holding the next.
        Row::new("add_8/async_trait", |executor| async_trait::add(executor, 8)),
        Row::new("add_8/direct", |executor| direct::add(executor, 8)).against("add_8/async_trait"),
        Row::new("add_8/actor", |executor| actor::add(executor, 8)).against("add_8/async_trait"),
        Row::new("add_8/tarpc_channel", |executor| tarpc::add(executor, 8)).against("add_8/async_trait"),
        Row::new("add_8/rpc", |executor| rpc::add(executor, 8)).against("add_8/async_trait"),
        Row::new("add_8/rpc_inside", |executor| rpc::add_inside(executor, 8)).against("add_8/async_trait"),
        Row::new("add_32/async_trait", |executor| async_trait::add(executor, 32)),
        Row::new("add_32/direct", |executor| direct::add(executor, 32)).against("add_32/async_trait"),
        Row::new("add_32/actor", |executor| actor::add(executor, 32)).against("add_32/async_trait"),
        Row::new("add_32/tarpc_channel", |executor| tarpc::add(executor, 32)).against("add_32/async_trait"),
        Row::new("add_32/rpc", |executor| rpc::add(executor, 32)).against("add_32/async_trait"),
        // 1 KiB lent, 1 MiB moved.
        Row::new("text_1k/async_trait", async_trait::text),
        Row::new("text_1k/direct", direct::text).against("text_1k/async_trait"),
        Row::new("text_1k/actor", actor::text).against("text_1k/async_trait"),
        Row::new("text_1k/tarpc_direct", tarpc::direct::text).against("text_1k/async_trait"),
        Row::new("text_1k/tarpc_channel", tarpc::text).against("text_1k/async_trait"),
        Row::new("text_1k/rpc", rpc::text).against("text_1k/async_trait"),
        Row::new("echo_1m/async_trait", async_trait::echo).against("add/async_trait"),
        Row::new("echo_1m/direct", direct::echo).against("echo_1m/async_trait"),
        Row::new("echo_1m/actor", actor::echo).against("echo_1m/async_trait"),
        Row::new("echo_1m/tarpc_direct", tarpc::direct::echo).against("echo_1m/async_trait"),
        Row::new("echo_1m/tarpc_channel", tarpc::echo).against("echo_1m/async_trait"),
        Row::new("echo_1m/rpc", rpc::echo).against("echo_1m/async_trait"),
        // A handler that is pending once.
        Row::new("suspend/async_trait", async_trait::suspend),
        Row::new("suspend/direct", direct::suspend).against("suspend/async_trait"),
        Row::new("suspend/rpc", rpc::suspend).against("suspend/async_trait"),
        Row::new("suspend/rpc_deadline", rpc::suspend_deadline).against("suspend/async_trait"),
        Row::new("large/async_trait", async_trait::large),
        Row::new("large/direct", direct::large).against("large/async_trait"),
        Row::new("large/rpc", rpc::large).against("large/async_trait"),
        // One HTTP exchange; making the request is part of every row.
        Row::new("fetch/handler", http::fetch),
        Row::new("fetch/request_alone", http::request_alone).against("fetch/handler"),
        Row::new("fetch/axum_handler", axum::handler).against("fetch/handler"),
        Row::new("fetch/axum", axum::fetch).against("fetch/handler"),
        Row::new("fetch/axum_layered", axum::fetch_layered).against("fetch/handler"),
        Row::new("fetch/hyper_loopback", hyper::fetch).against("fetch/handler"),
        Row::new("fetch/rpc_handler", rpc::fetch_handler).against("fetch/handler"),
        Row::new("fetch/rpc", rpc::fetch).against("fetch/rpc_handler"),
    ]
}
