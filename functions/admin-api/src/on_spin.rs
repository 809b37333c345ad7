//! The front door on Spin.
#![allow(unsafe_code, reason = "spin-sdk generates the export")]

platform_spin::front_door!(crate::handle);
