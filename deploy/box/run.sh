#!/bin/sh
# The service below one ROOT, where no systemd runs it: `setsid sh ROOT/opt/laennec/current/run.sh ROOT`. Starts it again
# when it ends; before each start a switch that was cut off is undone (undo.sh). What runs there already is ended and its
# place taken, so a restart is one step: a deployment that is killed leaves the old service running, or the new one.
set -u
export MALLOC_ARENA_MAX=1 # as in laennec.service
root=${1%/}
base=$root/opt/laennec run=$root/run/laennec

main() {
    cd "$root" && mkdir -p "$run" && exec 9>>"$run/lock" || exit
    echo $$ >"$run/newest.$$" && mv "$run/newest.$$" "$run/newest" || exit
    if ! flock --nonblock 9; then # held by another of these and by its service, which are a group of processes
        old=$(cat "$run/pid")
        kill -s TERM -- "-$old"
        flock --wait 10 9 || { kill -s KILL -- "-$old"; flock 9; }
    fi
    [ "$(cat "$run/newest")" = $$ ] || exit 0 # started once more meanwhile, or stopped
    rm -f "$run/release" && : >"$run/failures" && echo $$ >"$run/pid" || exit
    while :; do
        [ ! -e "$base/before/undo.sh" ] || sh "$base/before/undo.sh" "$root"
        readlink "$base/current" >"$run/release"
        (umask 027 && exec "$base/current/venv/bin/laennec" run --config "$root/etc/laennec/ward.yaml") # as in laennec.service
        code=$?
        rm -f "$run/release"
        [ $code -eq 0 ] || [ $code -eq 143 ] || echo "exit code $code" >>"$run/failures" # 143: SIGTERM
        sleep 5
    done
}
main
