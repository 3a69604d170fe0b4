# shellcheck shell=bash
# buildah, for test-container: what it builds is real. A container is simulated: a process in namespaces
# of its own, the first in its PID namespace, with no network but its own loopback, no privileges, and
# the image's files as a read-only root; user, entrypoint and variables are those of the image. It shows
# nothing of what an engine itself does with STOPSIGNAL, HEALTHCHECK and volumes.

readonly ENGINE_IS='builds are real, containers are simulated by namespaces on the files of the image'
readonly ENGINE_HEALTH='by the command of the health check'

engine_needs() { printf '%s\n' 'buildah buildah' 'ip iproute2'; }

engine() {
    storage=${storage:-$(storage_driver)}
    timeout "$limit" buildah --root "$work/storage" --runroot "$work/run" --storage-driver "$storage" "$@"
}

# vfs copies the base for each layer, and works everywhere.
storage_driver() {
    local try=$work/overlay
    mkdir -p "$try"/{lower,upper,work,merged}
    if mount -t overlay overlay -o "lowerdir=$try/lower,upperdir=$try/upper,workdir=$try/work" \
        "$try/merged" 2>/dev/null; then
        umount "$try/merged"
        echo overlay
    else
        echo vfs
    fi
}

# engine_build IMAGE DOCKERFILE OPTION…
engine_build() {
    engine bud --layers --format docker --isolation chroot --network host \
        --tag "$1" --file "$2" "${@:3}" "$work/context"
}

# engine_import IMAGE VARIABLE=VALUE…: standard input is its files.
engine_import() {
    local image=$1 container
    shift
    container=$(engine from scratch)
    tar -C "$(engine mount "$container")" --extract
    engine config "${@/#/--env=}" "$container"
    engine commit --quiet --rm "$container" "$image"
}

# engine_files IMAGE: as a tar file.
engine_files() {
    local container
    container=$(engine from --pull-never "$1")
    tar -C "$(engine mount "$container")" --create .
    engine rm "$container" >/dev/null
}

engine_archive() {
    engine push --quiet "$1" "docker-archive:$work/archive.tar"
    cat "$work/archive.tar"
    rm "$work/archive.tar"
}

says() { engine inspect --type image --format "$1" "$IMAGE"; }

# engine_start CONTAINER VARIABLE=VALUE…
engine_start() {
    local files=$work/$1 user entrypoint variables
    mapfile -t variables < <(says '{{range .Docker.Config.Env}}{{println .}}{{end}}' | grep .)
    variables+=("${@:2}")
    user=$(says '{{.Docker.Config.User}}')
    entrypoint=$(says '{{index .Docker.Config.Entrypoint 0}}')
    mkdir -p "$files"/{root,data}
    engine_files "$IMAGE" | tar -C "$files/root" --extract --numeric-owner
    mkdir -p "$files/root"/{dev,proc}
    chown --reference="$files/root/data" "$files/data"
    printf '%s\n' "${variables[@]}" >"$files/variables"
    printf '%s\n' "$user" >"$files/user"
    unshare --mount --pid --net --ipc --uts --fork --kill-child bash -euc '
        files=$1 user=$2 entrypoint=$3
        shift 3
        ip link set lo up
        mount --bind "$files/root" "$files/root"
        mount -o remount,bind,ro "$files/root"
        mount -t proc proc "$files/root/proc"
        mount --rbind /dev "$files/root/dev"
        mount --bind "$files/data" "$files/root/data"
        exec setpriv --no-new-privs env -i "$@" \
            "$(command -v chroot)" --userspec="$user" --groups= "$files/root" "$entrypoint"
    ' container "$files" "$user" "$entrypoint" "${variables[@]}" \
        </dev/null >"$files/log" 2>&1 &
    echo $! >"$files/outer"
}

outer() { cat "$work/$1/outer"; }

engine_pid() {
    local outer
    outer=$(outer "$1")
    tr -d ' ' <"/proc/$outer/task/$outer/children"
}

engine_exec() {
    local user variables
    user=$(cat "$work/$1/user")
    mapfile -t variables <"$work/$1/variables"
    env -i "${variables[@]}" "$(command -v timeout)" "$limit" "$(command -v nsenter)" \
        --target "$(engine_pid "$1")" --mount --pid --net --ipc --uts --root --wd=/ \
        --setuid "${user%:*}" --setgid "${user#*:}" "${@:2}"
}

engine_logs() { cat "$work/$1/log"; }
engine_volume() { echo "$work/$1/data"; }
engine_healthy() { is_healthy "$1"; }

is_gone() { ! kill -0 "$1" 2>/dev/null; }

engine_wait() {
    within "$limit" is_gone "$(outer "$1")" || kill -KILL "$(outer "$1")"
    exit_code=0
    wait "$(outer "$1")" || exit_code=$?
}

engine_stop() {
    local limit=$STOP_SECONDS
    kill -TERM "$(engine_pid "$1")"
    engine_wait "$1"
}

engine_remove() { kill -KILL "$(outer "$1")"; }
engine_clean_up() { :; }
