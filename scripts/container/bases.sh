# shellcheck shell=bash
# Base images for test-container where no registry can be reached: Debian's packages and the Rust of
# this machine to build with; the C library and libgcc to run on.

readonly SUITE=bookworm # as the Dockerfile's own images

bases_need() { echo 'debootstrap debootstrap'; }

make_bases() {
    BUILD_IMAGE=$IMAGE-build RUN_IMAGE=$IMAGE-run
    install_debian "$work/build-base"
    copy_libraries "$work/build-base" "$work/run-base"
    copy_rust "$work/build-base"
    copy_crates "$work/build-base"
    import_base "$work/build-base" "$BUILD_IMAGE" CARGO_HOME=/usr/local/cargo CARGO_NET_OFFLINE=true
    import_base "$work/run-base" "$RUN_IMAGE"
}

install_debian() {
    debootstrap --variant=minbase --include=gcc,libc6-dev "$SUITE" "$1" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} \
        >"$work/debootstrap.log" 2>&1 || {
        tail -n 5 "$work/debootstrap.log" >&2
        fail 'Debian for a base image'
    }
    rm -rf "$1"/var/{cache/apt,lib/apt/lists}/* "$1"/usr/share/{doc,info,locale,man}
}

# As nothing else is there, what the program needs beyond these shows.
copy_libraries() {
    mkdir -p "$2"/usr/{lib,lib64}
    ln -s usr/lib usr/lib64 "$2/"
    chroot "$1" dpkg -L libc6 libgcc-s1 |
        sed -nE '/gconv/d;s,^(/usr)?/(lib.*\.so(\.[0-9]+)*)$,usr/\2,p' | sort -u |
        tar -C "$1" --files-from=- --create | tar -C "$2" --extract
}

copy_rust() {
    local from
    from=$(rustc --print sysroot)
    [[ -x $from/bin/cargo ]] || fail "a Rust toolchain in one directory, as rustup installs it (not $from)"
    mkdir -p "$1/usr/local/lib/rustlib"
    cp -a "$from"/bin/{cargo,rustc} "$1/usr/local/bin/"
    cp -a "$from"/lib/lib* "$1/usr/local/lib/"
    cp -a "$from/lib/rustlib/$(host)" "$1/usr/local/lib/rustlib/"
}

host() { rustc -vV | sed -n 's/^host: //p'; }

# Those of Cargo.lock, so that the build needs no network.
copy_crates() {
    local from=${CARGO_HOME:-$HOME/.cargo}/registry to=$1/usr/local/cargo/registry crate
    cargo fetch --quiet --locked --target "$(host)"
    mkdir -p "$to/cache"
    cp -a "$from/index" "$to/"
    locked | while read -r crate; do
        find "$from/cache" -name "$crate.crate" -printf '%P\n'
    done | tar -C "$from/cache" --files-from=- --create | tar -C "$to/cache" --extract
}

# NAME-VERSION of each.
locked() { awk -F'"' '/^name = / { name = $2 } /^version = / { print name "-" $2 }' Cargo.lock; }

# import_base FILES IMAGE VARIABLE=VALUE…
import_base() {
    tar -C "$1" --create . | engine_import "$2" PATH=/usr/local/bin:/usr/bin:/bin "${@:3}" \
        >"$work/import.log" 2>&1 || {
        tail -n 5 "$work/import.log" >&2
        fail "a base image of $1"
    }
    rm -rf --one-file-system "$1"
}
