//! The listeners of the server, and what is served on which.

use std::{io, sync::Arc};

use super::port::Port;
use crate::{
    config::Config,
    http::{
        connection::{
            capacity::Capacity,
            limits::Connections,
            paths::Paths,
            settings::{HEAD_TIMEOUT, Settings},
        },
        direct::Direct,
        listen::{Listener, Listeners, UnixSocket},
        redirect::HTTPS_PORT,
        routes::status::Status,
        setup::SetupOptions,
        tls::Tls,
    },
};
use sse_broadcaster_actix::AppState;
use sse_broadcaster_mercure::Hub;

/// Opens the ports of these listeners.
pub(super) fn open(
    listeners: Listeners,
    config: &Config,
    connections: Connections,
    (state, hub): (&AppState, Option<Arc<Hub>>),
    status: &Arc<Status>,
    tls: Option<&Tls>,
) -> io::Result<(Vec<Port>, Vec<UnixSocket>)> {
    let io_uring = config.io_uring && !config.no_direct && Direct::can_batch();
    let paths = Paths::below(&state.base_path);
    // Each kind of listener has its own limit, so that health checks on admin listeners do not depend on the others.
    let [public_settings, admin_settings] =
        [connections.public, connections.admin].map(|max| Settings {
            stall_timeout: config.stall_timeout,
            head_timeout: HEAD_TIMEOUT,
            socket_buffer_bytes: config.socket_buffer_bytes,
            io_uring,
            capacity: Capacity::new(max),
            replay_buffers: Arc::clone(state.broadcaster.replay_buffers()),
            refusals: Arc::clone(&state.refusals),
            paths: paths.clone(),
        });
    let every_route = listeners.admin.is_empty() && listeners.admin_sockets.is_empty();
    let first = listeners.public.first();
    let own_port = first.and_then(|listener| listener.local_addr().ok());
    let own_port = own_port.map_or(HTTPS_PORT, |address| address.port());
    let https_port = config.tls.redirect_port.unwrap_or(own_port);
    let behind_proxies = SetupOptions {
        proxies: (config.proxies.proxy_protocol).then(|| state.proxies.clone()),
        tls: None,
    };
    let public = SetupOptions {
        tls: tls.cloned(),
        ..behind_proxies.clone()
    };
    let plain = SetupOptions::default();
    let of_public = listeners.public.into_iter().map(Listener::Tcp);
    let of_public = of_public.map(|listener| (listener, &public_settings, &public, every_route));
    let of_public_sockets = sockets(&listeners.public_sockets)?;
    let of_public_sockets = of_public_sockets
        .map(|listener| (listener, &public_settings, &behind_proxies, every_route));
    let of_admin = listeners.admin.into_iter().map(Listener::Tcp);
    let of_admin = of_admin.chain(sockets(&listeners.admin_sockets)?);
    let of_admin = of_admin.map(|listener| (listener, &admin_settings, &plain, true));
    let open = |(listener, settings, setup, every_route)| {
        let served = (state, hub.clone());
        Port::open(
            listener,
            (settings, setup),
            every_route,
            config,
            served,
            status,
        )
    };
    let redirects = listeners.redirect.into_iter().map(Listener::Tcp);
    let redirects = redirects.map(|listener| {
        let options = (&public_settings, &behind_proxies);
        let orders = tls.and_then(|tls| tls.orders.clone());
        Port::redirecting(listener, options, config, (https_port, orders))
    });
    let ports = of_public.chain(of_public_sockets).chain(of_admin);
    let ports = ports.map(open).chain(redirects);
    let ports = ports.collect::<io::Result<_>>()?;
    let sockets = listeners.public_sockets.into_iter();
    Ok((ports, sockets.chain(listeners.admin_sockets).collect()))
}

fn sockets(sockets: &[UnixSocket]) -> io::Result<impl Iterator<Item = Listener>> {
    let listeners = sockets.iter().map(UnixSocket::listener);
    let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
    Ok(listeners.into_iter())
}
