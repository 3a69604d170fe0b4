# shellcheck shell=bash
# docker and podman, for test-container: everything is real.

readonly ENGINE_IS='containers are run by it, with no network, no capability and a read-only root'
readonly ENGINE_HEALTH='by the judgement of the engine'

engine_needs() { printf '%s %s\n' "$engine" "$engine"; }

# Podman's images are kept apart, so that all of them can go in the end.
engine() {
    case $engine in
        docker) timeout "$limit" docker "$@" ;;
        podman) DISABLE_HC_SYSTEMD=true timeout "$limit" podman --root "$work/storage" --runroot "$work/run" "$@" ;;
    esac
}

# engine_build IMAGE DOCKERFILE OPTION…
engine_build() {
    local options=(--tag "$1" --file "$2" "${@:3}")
    if [[ $engine == podman ]]; then options+=(--layers --format docker --network host --isolation chroot); fi
    BUILDKIT_PROGRESS=plain engine build "${options[@]}" "$work/context"
}

# engine_import IMAGE VARIABLE=VALUE…: standard input is its files.
engine_import() {
    local image=$1
    shift
    engine import "${@/#/--change=ENV }" - "$image"
}

# engine_files IMAGE: as a tar file.
engine_files() {
    local container
    container=$(engine create "$1" /none)
    engine export "$container"
    engine rm "$container" >/dev/null
}

engine_archive() { engine save "$1"; }

# engine_start CONTAINER VARIABLE=VALUE…
engine_start() {
    local container=$1 options=() files
    files=$(ulimit -Hn)
    shift
    # Podman would give it memory to write to, and raise limits, which not every root may.
    if [[ $engine == podman ]]; then options=(--read-only-tmpfs=false --ulimit "nofile=$files:$files"); fi
    engine run --detach --name "$container" --network none --read-only --cap-drop ALL \
        --security-opt no-new-privileges --volume "$container:/data" "${options[@]}" "${@/#/--env=}" \
        "$IMAGE" >/dev/null
}

engine_exec() { engine exec --interactive "$@"; }
engine_logs() { engine logs "$1" 2>&1; }
engine_pid() { engine inspect --format '{{.State.Pid}}' "$1"; }
engine_volume() { engine volume inspect --format '{{.Mountpoint}}' "$1"; }

engine_healthy() {
    case $engine in
        docker) [[ $(engine inspect --format '{{.State.Health.Status}}' "$1") == healthy ]] ;;
        podman) engine healthcheck run "$1" >/dev/null ;;
    esac
}

engine_wait() { exit_code=$(engine wait "$1"); }

engine_stop() {
    engine stop "$1" >/dev/null
    engine_wait "$1"
}

engine_remove() {
    engine rm --force "$1"
    engine volume rm --force "$1"
}

engine_clean_up() {
    case $engine in
        docker) engine image rm --force "$IMAGE"{,-context,-build,-run} ;;
        podman) engine image rm --all --force ;;
    esac
}
