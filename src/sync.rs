//! The core's locks and atomics, in one place, so that a model checker can replace them by its own: see
//! `broadcaster/interleavings.rs`.

#[cfg(not(all(test, shuttle)))]
pub(crate) use {
    parking_lot::{Mutex, RwLock},
    std::sync::atomic,
};

#[cfg(all(test, shuttle))]
pub(crate) use {self::tried::*, shuttle::sync::atomic};

#[cfg(all(test, shuttle))]
mod tried {
    use shuttle::sync::{self, MutexGuard, RwLockReadGuard, RwLockWriteGuard};

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

    pub(crate) struct RwLock<T>(sync::RwLock<T>);

    impl<T> RwLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(sync::RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap()
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap()
        }
    }
}
