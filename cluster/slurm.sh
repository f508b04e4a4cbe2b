#!/bin/bash
# One Ray cluster on the nodes of a Slurm job, and a sweep on it.
#
# What it costs: what your site charges for the nodes, until the sweep is done.
# What to edit: nothing. Partition, account, nodes, GPUs and time are options of sbatch.
# What the nodes need: this folder, the environment that is active when you submit, and RAC_RAY_STORAGE, all on a disk
# that every node sees at the same place.
#
#     ray get-auth-token --generate                   once: ~/.ray/auth_token keeps other users of the nodes out
#     export RAC_RAY_STORAGE=/shared/rac_ray
#     sbatch --nodes=2 --gpus-per-node=8 --time=12:00:00 cluster/slurm.sh sweeps/ts_grid.py
#
# Two minutes before the time is over the sweep stops, and the job goes back into the queue: in its next turn it runs
# what is missing. `scancel --batch --signal=TERM JOB` stops it at its last checkpoints for good.

#SBATCH --job-name=rac_ray
#SBATCH --output=rac_ray-%j.log
#SBATCH --open-mode=append
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=B:USR1@120

set -euo pipefail
: "${RAC_RAY_STORAGE:?is not set; valid: a folder that all nodes see, or a bucket}"
: "${1:?is missing; valid: the script of a sweep, as in sbatch cluster/slurm.sh sweeps/ts_grid.py --preset laptop}"
export RAY_AUTH_MODE=token

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
read -r ip _ < <(getent ahostsv4 "${nodes[0]}")
address=$ip:$((20000 + SLURM_JOB_ID % 10000))

# start NODE OPTIONS...: Ray on a node with all that the job has of it, as a step that ends with the job.
start() {
  srun --overlap --cpu-bind=none --nodes=1 --ntasks=1 --nodelist="$1" \
    bash -c 'exec ray start --block --disable-usage-stats --num-cpus="$SLURM_CPUS_ON_NODE" "$@"' - "${@:2}" > /dev/null &
}

start "${nodes[0]}" --head --node-ip-address="$ip" --port="${address#*:}" --temp-dir="/tmp/ray-$SLURM_JOB_ID"
timeout 120 sh -c "until ray health-check --address $address > /dev/null 2>&1; do sleep 1; done"
for node in "${nodes[@]:1}"; do start "$node" --address="$address"; done
# The sweep asks once what the cluster has.
timeout 300 python -c 'import sys, time, ray
ray.init(sys.argv[1], log_to_driver=False, logging_level="error")
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]): time.sleep(1)' "$address" "${#nodes[@]}" ||
  echo "not all nodes are there after five minutes; the sweep takes those that are" >&2

python "$@" --address "$address" &
sweep=$!
signal= again=
trap 'signal=yes again=yes; kill -TERM $sweep' USR1
trap 'signal=yes; kill -TERM $sweep' TERM
# A signal ends `wait` before the sweep has ended.
while true; do
  signal= code=0
  wait "$sweep" || code=$?
  [ "$signal" ] || break
done
if [ "$again" ] && [ "$code" -eq 130 ]; then scontrol requeue "$SLURM_JOB_ID"; fi
exit "$code"
