//! Azure Resource Manager behind the core's ports.

pub mod arm_id;
pub mod latest;
#[cfg(test)]
mod tests;
pub mod types;
