//! The whole chain with real servers: Forewarm under load, Redis, Prometheus, Alertmanager and a
//! receiver of webhooks, put together by `cargo xtask stack`.

mod end_to_end;
mod load;
mod processes;
mod routes;
