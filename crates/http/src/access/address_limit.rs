//! How many streams may be open from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::Refusal;

/// How many streams each address has open. Clones share the counts.
#[derive(Debug, Clone, Default)]
pub(super) struct AddressLimit(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// Counts one stream of an address until it is dropped. Boxed, since most servers have no such limit.
#[derive(Debug)]
pub struct AddressSlot(#[allow(dead_code, reason = "kept to be dropped")] Box<Counted>);

#[derive(Debug)]
struct Counted {
    network: IpAddr,
    limit: AddressLimit,
}

impl AddressLimit {
    /// Counts one more stream of this address, until the slot is dropped.
    ///
    /// # Errors
    /// 503 `too_many_subscribers` if the address has `max` streams already.
    pub(super) fn reserve(&self, address: IpAddr, max: usize) -> Result<AddressSlot, Refusal> {
        let network = network_of(address);
        let mut open = self.0.lock();
        let count = open.entry(network).or_default();
        if *count >= max {
            if *count == 0 {
                open.remove(&network);
            }
            return Err(Refusal::unavailable(
                "too_many_subscribers",
                "this address has as many subscribers as the server allows; close one, or try again later",
            ));
        }
        *count += 1;
        let limit = self.clone();
        Ok(AddressSlot(Box::new(Counted { network, limit })))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.limit.0.lock();
        if let Some(count) = open.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// The addresses that count as one client: a client of IPv6 usually has a whole /64.
pub(super) fn network_of(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_as_many_slots_as_allowed_and_gets_them_back() {
        let limit = AddressLimit::default();
        let address = IpAddr::from([127, 0, 0, 1]);
        let slot = limit.reserve(address, 1).unwrap();
        assert!(limit.reserve(address, 1).is_err());
        drop(slot);
        assert!(limit.reserve(address, 1).is_ok());
        assert!(limit.reserve(address, 0).is_err() && limit.0.lock().is_empty());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let limit = AddressLimit::default();
        let reserve = |address: &str| limit.reserve(address.parse().unwrap(), 1);
        let _slots = [
            reserve("2001:db8:1:2::1").unwrap(),
            reserve("2001:db8:1:3::1").unwrap(),
            reserve("192.0.2.1").unwrap(),
            reserve("192.0.2.2").unwrap(),
        ];
        for full in ["2001:db8:1:2:ffff::9", "::ffff:192.0.2.1"] {
            assert!(reserve(full).is_err(), "{full}");
        }
    }
}
