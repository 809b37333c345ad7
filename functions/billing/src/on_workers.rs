//! The front door on Workers, and the accounts' Durable Object.
#![allow(unsafe_code, reason = "wasm-bindgen generates the exports")]

use domain::account::Account;
use js_sys::{Array, Promise};
use platform_workers::host::{Env, Rows};
use platform_workers::{DurableMachine, WorkersPlatform, in_call};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::future_to_promise;

platform_workers::front_door!(crate::handle);

/// What `js/account_object.mjs` runs.
#[wasm_bindgen]
pub struct AccountMachine {
    machine: Rc<DurableMachine<Account>>,
    platform: WorkersPlatform,
}

#[wasm_bindgen]
impl AccountMachine {
    #[wasm_bindgen(constructor)]
    pub fn new(rows: Rows, env: Env) -> Result<AccountMachine, JsValue> {
        let machine = DurableMachine::load(rows).map_err(|error| JsValue::from_str(&error.to_string()))?;
        Ok(Self { machine: machine.into(), platform: WorkersPlatform::of_object(env) })
    }

    pub fn apply(&self, commands: &Array) -> Result<Array, JsValue> {
        self.machine.apply(commands)
    }

    pub fn wake(&self, call: u32) -> Promise {
        let (machine, platform) = (self.machine.clone(), self.platform.clone());
        let wake = machine
            .wake(async move |name: &str, events| crate::outbox::of_account(&platform, name, events).await);
        future_to_promise(in_call(call, async move { wake.await.map(|()| JsValue::UNDEFINED) }))
    }

    pub fn deliver(&self, call: u32) -> Promise {
        let (machine, platform) = (self.machine.clone(), self.platform.clone());
        let deliver = machine.deliver(async move |name: &str, events| {
            crate::outbox::of_account(&platform, name, events).await
        });
        future_to_promise(in_call(call, async move {
            deliver.await.map(|()| JsValue::UNDEFINED).map_err(|error| JsValue::from_str(&error.to_string()))
        }))
    }
}

/// A fault for tests: what a bug would do.
#[wasm_bindgen]
pub fn panic_for_test() {
    panic!("a test asked for a panic");
}
