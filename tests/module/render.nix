# Unit files as NixOS writes them.
{ lib }:

let
  line = name: value: "${name}=${value}\n";
  text =
    value:
    if value == true then
      "true"
    else if value == false then
      "false"
    else
      toString value;

  # "%" stays what it is to systemd, such as in %d.
  quoted = value: builtins.toJSON (toString value);

  section = name: content: lib.optionalString (content != "") "[${name}]\n${content}\n";
  lines =
    settings:
    lib.concatStrings (
      lib.mapAttrsToList (
        name: value: lib.concatMapStrings (one: line name (text one)) (lib.toList value)
      ) settings
    );

  unitSection =
    unit:
    let
      words = name: units: lib.optionalAttrs (units != [ ]) { ${name} = toString units; };
    in
    words "After" unit.after
    // words "Before" unit.before
    // words "BindsTo" unit.bindsTo
    // words "Conflicts" unit.conflicts
    // words "OnFailure" unit.onFailure
    // words "OnSuccess" unit.onSuccess
    // words "PartOf" unit.partOf
    // words "Requires" unit.requires
    // words "Requisite" unit.requisite
    // words "Upholds" unit.upholds
    // words "Wants" unit.wants
    // lib.optionalAttrs (unit.description != "") { Description = unit.description; }
    // words "X-Restart-Triggers" (map toString unit.restartTriggers)
    // unit.unitConfig;

  # Options without a default: reading one that isn't set is an error.
  limits =
    unit:
    lib.filterAttrs (_: limit: limit != false) {
      StartLimitBurst = (builtins.tryEval unit.startLimitBurst).value;
      StartLimitIntervalSec = (builtins.tryEval unit.startLimitIntervalSec).value;
    };

  install =
    unit:
    section "Install" (
      lib.optionalString (unit.aliases != [ ]) (line "Alias" (toString unit.aliases))
      + lib.optionalString (unit.requiredBy != [ ]) (line "RequiredBy" (toString unit.requiredBy))
      + lib.optionalString (unit.wantedBy != [ ]) (line "WantedBy" (toString unit.wantedBy))
    );

  service =
    unit:
    section "Unit" (lines (unitSection unit // limits unit))
    + section "Service" (
      lib.concatStrings (
        lib.mapAttrsToList (name: value: line "Environment" (quoted "${name}=${toString value}")) (
          lib.filterAttrs (_: value: value != null) unit.environment
        )
      )
      + lines unit.serviceConfig
    )
    + install unit;

  target = unit: section "Unit" (lines (unitSection unit)) + install unit;

  timer =
    unit:
    section "Unit" (lines (unitSection unit)) + section "Timer" (lines unit.timerConfig) + install unit;

  socket =
    unit:
    section "Unit" (lines (unitSection unit))
    + section "Socket" (lines ({ ListenStream = unit.listenStreams; } // unit.socketConfig))
    + install unit;

  own = lib.filterAttrs (name: _: lib.hasPrefix "airflow" name || lib.hasPrefix "etl" name);
  files =
    suffix: render: units:
    lib.mapAttrs' (name: unit: lib.nameValuePair "${name}.${suffix}" (render unit)) (own units);

  # What the modules set on units that aren't theirs.
  others = [
    "mysql"
    "prometheus-redis-exporter"
    "redis-airflow"
  ];
  ofOthers = [
    "ExecStartPre"
    "LoadCredential"
    "RuntimeDirectory"
    "SupplementaryGroups"
  ];

  only = names: lib.mapAttrs (_: lib.getAttrs names);
in
config: {
  units =
    files "service" service config.systemd.services
    // files "target" target config.systemd.targets
    // files "timer" timer config.systemd.timers
    // files "socket" socket config.systemd.sockets
    // lib.mapAttrs' (
      name: unit:
      lib.nameValuePair "${name}.service.d/overrides.conf" (
        section "Unit" (lines (limits unit))
        + section "Service" (
          lines (
            lib.filterAttrs (
              setting: _: lib.hasPrefix "Restart" setting || lib.elem setting ofOthers
            ) unit.serviceConfig
          )
        )
      )
    ) (lib.filterAttrs (name: _: lib.elem name others) config.systemd.services);

  # What the units find on the host, for another system to be set up like it.
  host = {
    inherit (config.networking.firewall) allowedTCPPorts;
    etc = lib.mapAttrs (_: entry: toString entry.source) (
      lib.filterAttrs (_: entry: entry ? source) config.environment.etc
    );
    exporters =
      lib.mapAttrs
        (
          name: exporter:
          {
            inherit (exporter) extraFlags listenAddress port;
          }
          // lib.optionalAttrs (name == "mysqld") { configFile = toString exporter.configFile; }
        )
        (
          lib.filterAttrs (_: exporter: exporter.enable) (
            lib.getAttrs [
              "mysqld"
              "redis"
              "statsd"
            ] config.services.prometheus.exporters
          )
        );
    groups = lib.attrNames config.users.groups;
    mysql = lib.optionalAttrs config.services.mysql.enable {
      inherit (config.services.mysql) ensureDatabases ensureUsers settings;
    };
    nginx = lib.mapAttrs (_: host: {
      inherit (host) enableACME forceSSL;
      locations = only [
        "extraConfig"
        "proxyPass"
        "proxyWebsockets"
        "recommendedProxySettings"
      ] host.locations;
    }) config.services.nginx.virtualHosts;
    redis = only [
      "appendOnly"
      "bind"
      "port"
      "requirePassFile"
      "unixSocket"
      "unixSocketPerm"
      "user"
    ] config.services.redis.servers;
    sysctl = lib.filterAttrs (name: _: lib.hasPrefix "net.ipv4.tcp_" name) (
      config.boot.kernel.sysctl or { }
    );
    systemPackages = map toString config.environment.systemPackages;
    tmpfiles = lib.foldl' lib.mergeAttrs { } (lib.attrValues config.systemd.tmpfiles.settings);
    users = only [
      "description"
      "extraGroups"
      "group"
      "home"
    ] config.users.users;
  };
}
