//! The real binary, from outside: command line, HTTP, feeds, shutdown, with a real Redis.

mod acceptance;
mod acl;
mod cli;
mod client;
mod control;
mod demo;
mod embedding;
mod explain;
mod http;
mod lifecycle;
mod limits;
mod model;
mod otlp;
mod process;
mod record;
mod recordings;
mod replay;
mod report;
mod rollout;
mod shadow;
mod stream;
mod studies;
mod tls;
