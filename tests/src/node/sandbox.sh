# Runs as the first program in new network, mount, IPC and UTS namespaces: lays the cable, hides what belongs to the machine, and
# runs a program as all there is in a process namespace of its own. See the documentation of the module `node`.
set -eu
host=$1 outer_end=$2 outer_address=$3 inner_address=$4
shift 4

ip link set lo up
# Made with its other end on the machine's side already: there is no moment at which it belongs to nobody.
ip link add eth0 type veth peer name "$outer_end" netns "$host"
ip address add "$inner_address/30" dev eth0
ip link set eth0 up
nsenter --target "$host" --net sh -c 'ip address add "$1/30" dev "$2" && ip link set "$2" up' sh "$outer_address" "$outer_end"
# Addresses of Services are rewritten after a route was chosen, so there has to be one, even one to nowhere.
ip route add 10.96.0.0/16 dev eth0
echo 1 >/proc/sys/net/ipv4/ip_forward

for folder in /run /var/lib /var/log; do
    mount -t tmpfs -o mode=755 ras-node "$folder"
done

# The shell stays as the first process, because orphans become its children and somebody has to take their leave.
exec unshare --pid --fork --kill-child=KILL --mount-proc sh -c '
    mount --bind /proc/sys /proc/sys
    mount -o remount,bind,ro /proc/sys
    mount --bind /proc/sys/net /proc/sys/net
    mount -o remount,bind,rw /proc/sys/net
    # What a kubelet would set on the whole machine it finds set already, and leaves alone.
    for setting in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
        kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
        shown=/run/$(echo "${setting%=*}" | tr / -)
        echo "${setting#*=}" >"$shown"
        mount --bind "$shown" "/proc/sys/${setting%=*}"
    done
    # A program in the background loses its standard input unless it is handed to it.
    { "$@" <&3 & } 3<&0
    wait "$!"
' sh "$@"
