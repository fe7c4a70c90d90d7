# The Littlest JupyterHub, one machine: `sudo sh tools/hub/tljh.sh`. Admins, HTTPS and sign-in stay as they are.
# Made by tools/hub/capacity.py from what the labs were measured to take; edit tljh.sh.template instead.
set -e
tljh-config set limits.memory 4G
tljh-config set limits.cpu 2
tljh-config set user_environment.default_app jupyterlab
tljh-config set services.cull.enabled true
tljh-config set services.cull.timeout 3600
tljh-config set services.cull.every 300
tljh-config reload
