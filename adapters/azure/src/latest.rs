//! Latest.
