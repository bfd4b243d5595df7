#!/bin/sh
# Reverse proxies in front of the simulated gateway, each with its default configuration and with one for streams:
#     NGINX=PATH HAPROXY=PATH APACHE=PATH ENVOY=PATH CADDY=PATH sh scripts/proxies.sh [BAKEOFF]
# Those without a path are left out. APACHE_MODULES is the folder of Apache's modules (/usr/lib/apache2/modules). Prints the medians of TTFT and of
# gaps against those without a proxy, in the same minute, and how many answers were flagged as buffered. A row is well if both are within
# 1 ms of direct, or if the answers are flagged. The simulator leaves out `x-accel-buffering: no`, by which nginx knows a
# stream. Needs a release build and a machine without other work.
set -eu
cd "$(dirname "$0")/.."
bakeoff=$(realpath "${1:-target/release/bakeoff}")
work=$(mktemp -d)
trap 'kill ${proxy:-} ${sim:-} 2>/dev/null || true; rm -rf "$work"' EXIT
port=8793
cat > "$work/suite.toml" <<'END'
name = "proxies"
models = ["sim/constant-50ms-5ms-64+no-accel-header"]
repetitions = 20
warmup = 1
concurrency = 1
[[prompts]]
id = "p"
user = "A question?"
END
"$bakeoff" sim --port 0 > "$work/sim.out" 2>&1 &
sim=$!
until grep -q 'http://' "$work/sim.out"; do sleep 0.2; done
direct=$(sed -n 's/.*\(http:[^ ]*\).*/\1/p' "$work/sim.out" | head -n 1)
address=$(echo "$direct" | sed 's,http://\([^/]*\).*,\1,')

# TTFT p50, mean gap p50 (both in ms) and buffered answers of a run against this URL.
measure() {
    rm -rf "$work/reports"
    BAKEOFF_CACHE_DIR=$work/cache "$bakeoff" run "$work/suite.toml" --quiet --yes --endpoint "$1" --output "$work/reports" \
        > "$work/run.out" 2>&1 || true
    csv=$(ls "$work"/reports/proxies/2*/samples.csv 2> /dev/null) || { tail -n 2 "$work/run.out" >&2; echo 0 0 0 0; return; }
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["ttft_ns"] != "" { n++; ttft[n] = $at["ttft_ns"]; gap[n] = $at["gaps_mean_ns"] + 0; buffered += $0 ~ /buffered/ }
        function median(values,   i, j, swap) {
            for (i = 2; i <= n; i++) for (j = i; j > 1 && values[j] < values[j - 1]; j--) {
                swap = values[j]; values[j] = values[j - 1]; values[j - 1] = swap
            }
            return values[int((n + 1) / 2)] / 1e6
        }
        END { print median(ttft), median(gap), buffered + 0, n + 0 }' "$csv"
}

# check NAME CONFIGURATION COMMAND...
check() {
    name=$1 configuration=$2
    shift 2
    "$@" > "$work/proxy.out" 2>&1 &
    proxy=$!
    tries=0
    until curl -s -o /dev/null "http://127.0.0.1:$port/v1/models"; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || { echo "| $name | $configuration | does not answer: $(tail -n 1 "$work/proxy.out") | | | |"; break; }
        sleep 0.1
    done
    [ $tries -ge 100 ] || { measure "$direct"; measure "http://127.0.0.1:$port${direct#http://"$address"}"; } | tr '\n' ' ' | awk -v name="$name" -v configuration="$configuration" '{
        ttft = $5 - $1; gap = $6 - $2
        well = $7 * 2 > $8 || (ttft < 1 && ttft > -1 && gap < 1 && gap > -1)
        printf "| %s | %s | %.2f (%+.2f) | %.2f (%+.2f) | %d of %d | %s |\n", name, configuration, $5, ttft, $6, gap, $7, $8, well ? "well" : "NOT WELL"
    }'
    kill $proxy
    wait $proxy 2> /dev/null || true
}

echo "load average before: $(cut -d' ' -f1-3 /proc/loadavg 2> /dev/null || uptime)"
echo "| proxy | configuration | TTFT p50 in ms (against direct) | mean gap p50 in ms (against direct) | buffered | |"
echo "| --- | --- | --- | --- | --- | --- |"
if [ -n "${NGINX:-}" ]; then
    for lines in '' 'proxy_http_version 1.1; proxy_buffering off;'; do
        mkdir -p "$work/nginx/logs"
        printf 'daemon off; master_process off; pid %s/nginx/pid; error_log stderr;\nevents {}\nhttp { access_log off; client_body_temp_path %s/nginx/a; proxy_temp_path %s/nginx/b; fastcgi_temp_path %s/nginx/c; uwsgi_temp_path %s/nginx/d; scgi_temp_path %s/nginx/e;\nserver { listen 127.0.0.1:%s; location / { proxy_pass http://%s; %s } } }\n' \
            "$work" "$work" "$work" "$work" "$work" "$work" $port "$address" "$lines" > "$work/nginx.conf"
        check nginx "${lines:-default}" "$NGINX" -p "$work/nginx" -c "$work/nginx.conf"
    done
fi
if [ -n "${HAPROXY:-}" ]; then
    for lines in '' 'option http-no-delay'; do
        printf 'defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n    timeout server 60s\n    %s\nfrontend f\n    bind 127.0.0.1:%s\n    default_backend b\nbackend b\n    server s %s\n' \
            "$lines" $port "$address" > "$work/haproxy.cfg"
        check HAProxy "${lines:-default}" "$HAPROXY" -db -f "$work/haproxy.cfg"
    done
fi
if [ -n "${APACHE:-}" ]; then
    modules=${APACHE_MODULES:-/usr/lib/apache2/modules}
    for lines in '' 'flushpackets=on'; do
        mkdir -p "$work/apache"
        {
            for module in mpm_event authz_core proxy proxy_http; do
                echo "LoadModule ${module}_module $modules/mod_$module.so"
            done
            printf 'ServerName localhost\nServerRoot %s/apache\nDefaultRuntimeDir %s/apache\nPidFile pid\nErrorLog log\nListen 127.0.0.1:%s\nProxyPass "/" "http://%s/" %s\n' \
                "$work" "$work" $port "$address" "$lines"
        } > "$work/apache.conf"
        check Apache "${lines:-default}" "$APACHE" -D FOREGROUND -f "$work/apache.conf"
    done
fi
if [ -n "${ENVOY:-}" ]; then
    for lines in '' 'timeout: 0s'; do
        cat > "$work/envoy.yaml" <<END
static_resources:
  listeners:
  - address: { socket_address: { address: 127.0.0.1, port_value: $port } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: p
          route_config:
            virtual_hosts:
            - { name: v, domains: ["*"], routes: [{ match: { prefix: "/" }, route: { cluster: c${lines:+, $lines} } }] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: c
    connect_timeout: 5s
    load_assignment:
      cluster_name: c
      endpoints:
      - lb_endpoints: [{ endpoint: { address: { socket_address: { address: ${address%:*}, port_value: ${address#*:} } } } }]
END
        check Envoy "${lines:-default}" "$ENVOY" -c "$work/envoy.yaml" --log-level error --concurrency 1 --use-dynamic-base-id
    done
fi
if [ -n "${CADDY:-}" ]; then
    for lines in '' 'flush_interval -1'; do
        printf '{\n  admin off\n  auto_https off\n}\nhttp://127.0.0.1:%s {\n  reverse_proxy %s {\n    %s\n  }\n}\n' $port "$address" "$lines" \
            > "$work/Caddyfile"
        XDG_DATA_HOME=$work XDG_CONFIG_HOME=$work check Caddy "${lines:-default}" "$CADDY" run --config "$work/Caddyfile" --adapter caddyfile
    done
fi
