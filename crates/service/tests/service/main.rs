//! The real binary, from outside: command line, HTTP, feeds, shutdown, with a real Redis.

mod acceptance;
mod acl;
mod book;
mod browser;
mod cli;
mod client;
mod contract;
mod control;
mod demo;
mod embedding;
mod examples;
mod http;
mod lifecycle;
mod limits;
mod otlp;
mod packaging;
mod process;
mod recordings;
mod replay;
mod shadow;
mod status_page;
mod stream;
mod tls;
