//! Catching a panic that is expected, without its message on standard error.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

thread_local! {
    static MUTED: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; its panic is returned and not printed. Other threads' panics are reported as
/// ever, by whatever hook was there before.
pub(super) fn catch_quietly<T>(work: impl FnOnce() -> T) -> Result<T, Box<dyn Any + Send>> {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = take_hook();
        set_hook(Box::new(move |panic| {
            // A thread that is going down may have no flag any more: then it is not muted.
            if !MUTED.try_with(Cell::get).unwrap_or(false) {
                before(panic);
            }
        }));
    });
    let outer = MUTED.replace(true);
    let done = catch_unwind(AssertUnwindSafe(work));
    MUTED.set(outer);
    done
}
