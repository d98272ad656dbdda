//! service
fn main(){}
