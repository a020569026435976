#!/bin/sh
# Before every start of the service: go back to the release before, if the switch away from it has no verdict and nobody
# is at work on one. `sh opt/laennec/before/undo.sh ROOT`: from the release that was good, without Python, for the new
# one may be what is broken. Likewise for a change of the model. Not for the rest of what was cut off: the next command mends that (`switch.repair`).
set -eu
umask 022 # whatever that of the service is
root=${1%/}
base=$root/opt/laennec unit=$root/etc/systemd/system/laennec.service
etc=$root/etc/laennec config=$root/etc/laennec/ward.yaml settings=$base/current/ward.yaml
exec 9>>"$base/lock"
flock --shared --nonblock 9 || exit 0 # a deployment is at work, and judges by itself; who only looks holds it shared too
[ -e "$base/before/release.json" ] || exit 0
old=$(readlink "$base/before") new=$(readlink "$base/current")
if [ "$old" != "$new" ]; then
    old_name=${old#releases/} new_name=${new#releases/}
    echo "laennec: the switch to $new_name was cut off before it was known to be good; going back to $old_name"
    if [ -e "$base/before/ward.yaml" ] && ! [ "$config" -ef "$settings" ]; then # put there since: settings of the new one
        if [ -e "$config" ] && ln -f "$config" "$config.edited"; then
            echo "laennec: what was put in place of $config meanwhile is kept as $config.edited"
        fi
        ln -sfn "$settings" "$etc/.ward.yaml.new"
        mv -T "$etc/.ward.yaml.new" "$config"
        sync "$etc"
    fi
    ln -sfn "$old" "$base/.current.new"
    mv -T "$base/.current.new" "$base/current"
    sync "$base"
fi
trial=$base/model-trial
if [ -e "$trial/store" ]; then # another model of the same release
    store=$(readlink "$trial/store")
    if ! cmp -s "$trial/promoted" "$store/promoted"; then
        echo "laennec: a change of the model was cut off before it was known to be good; the one before is active"
    fi
    if [ -e "$trial/promoted" ]; then
        cp -p --remove-destination "$trial/promoted" "$store/.incoming-promoted"
        sync "$store/.incoming-promoted"
        mv -T "$store/.incoming-promoted" "$store/promoted"
    else
        rm -f "$store/promoted"
    fi
    sync "$store"
    rm -rf "$base/.model-trial.old" # once is enough: what is promoted by hand from here on stays
    mv -T "$trial" "$base/.model-trial.old"
    sync "$base"
fi
if [ -e "$unit" ] && ! cmp -s "$unit" "$base/current/laennec.service"; then
    cp "$base/current/laennec.service" "$unit.part"
    sync "$unit.part"
    mv -T "$unit.part" "$unit"
    sync "${unit%/*}"
    systemctl daemon-reload
    systemctl --no-block restart laennec.service # this start has the other unit
fi
