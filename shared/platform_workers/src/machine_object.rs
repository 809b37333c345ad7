//! What a function exports for each Durable Object that it owns; `js/objects.mjs` runs it.

use crate::in_call;
use js_sys::Promise;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

/// Exports a class `$name` that hosts machines of type `$machine`, and hands their events to `$outbox`:
/// `machine_object!(AccountMachine, Account, outbox::of_account)`.
#[macro_export]
macro_rules! machine_object {
    ($name:ident, $machine:ty, $outbox:path) => {
        #[::wasm_bindgen::prelude::wasm_bindgen]
        pub struct $name {
            machine: ::std::rc::Rc<$crate::DurableMachine<$machine>>,
            platform: $crate::WorkersPlatform,
        }

        #[::wasm_bindgen::prelude::wasm_bindgen]
        impl $name {
            #[wasm_bindgen(constructor)]
            pub fn new(
                rows: $crate::host::Rows,
                env: $crate::host::Env,
            ) -> Result<$name, ::wasm_bindgen::JsValue> {
                let machine = $crate::DurableMachine::load(rows)
                    .map_err(|error| ::wasm_bindgen::JsValue::from_str(&error.to_string()))?;
                Ok(Self { machine: machine.into(), platform: $crate::WorkersPlatform::of_object(env) })
            }

            pub fn apply(
                &self,
                commands: &::js_sys::Array,
            ) -> Result<::js_sys::Array, ::wasm_bindgen::JsValue> {
                self.machine.apply(commands)
            }

            pub fn wake(&self, call: u32) -> ::js_sys::Promise {
                let (machine, platform) = (self.machine.clone(), self.platform.clone());
                let wake =
                    machine.wake(async move |name: &str, events| $outbox(&platform, name, events).await);
                $crate::object_call(call, wake)
            }

            pub fn deliver(&self, call: u32) -> ::js_sys::Promise {
                let (machine, platform) = (self.machine.clone(), self.platform.clone());
                let deliver =
                    machine.deliver(async move |name: &str, events| $outbox(&platform, name, events).await);
                $crate::object_call(call, async move {
                    deliver.await.map_err(|error| ::wasm_bindgen::JsValue::from_str(&error.to_string()))
                })
            }
        }
    };
}

/// Runs what an object does by itself as the call of this number.
pub fn object_call(call: u32, work: impl Future<Output = Result<(), JsValue>> + 'static) -> Promise {
    future_to_promise(in_call(call, async move { work.await.map(|()| JsValue::UNDEFINED) }))
}
