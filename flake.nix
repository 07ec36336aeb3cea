{
  description = "The pipeline daily_etls on Airflow, as NixOS modules";

  inputs = {
    nixpkgs.url = "github:NixOS/nixpkgs/nixos-26.05";
    systems.url = "github:nix-systems/default";
    agenix = {
      url = "github:ryantm/agenix";
      inputs = {
        darwin.follows = "";
        home-manager.follows = "";
        nixpkgs.follows = "nixpkgs";
        systems.follows = "systems";
      };
    };
  };

  outputs =
    {
      self,
      agenix,
      nixpkgs,
      systems,
    }:
    let
      inherit (nixpkgs) lib;
      linux = lib.filter (lib.hasSuffix "-linux") (import systems);
      forEachSystem = f: lib.genAttrs linux (system: f nixpkgs.legacyPackages.${system});
      mkHost =
        host:
        lib.nixosSystem {
          modules = [
            agenix.nixosModules.default
            self.nixosModules.default
            host
          ];
        };
      mkWorker =
        name:
        mkHost {
          imports = [ ./modules/hosts/cluster/worker.nix ];
          networking.hostName = name;
        };
    in
    {
      nixosModules = {
        airflow = ./modules/airflow;
        etl.imports = [
          ./modules/airflow
          ./modules/etl.nix
        ];
        default = self.nixosModules.etl;
      };

      nixosConfigurations = {
        # One host for everything.
        airflow = mkHost ./modules/hosts/airflow.nix;

        # Several.
        main = mkHost ./modules/hosts/cluster/main.nix;
        scheduler2 = mkHost ./modules/hosts/cluster/scheduler.nix;
        worker1 = mkWorker "worker1";
        worker2 = mkWorker "worker2";

        vm = lib.nixosSystem {
          modules = [
            ./modules/vm.nix
            { nixpkgs.hostPlatform = lib.mkDefault "x86_64-linux"; }
          ];
        };
      };

      packages = forEachSystem (import ./modules/packages);

      apps = forEachSystem (pkgs: {
        vm =
          let
            machine = self.nixosConfigurations.vm.extendModules {
              modules = [ { nixpkgs.hostPlatform = pkgs.stdenv.hostPlatform.system; } ];
            };
          in
          {
            type = "app";
            program = lib.getExe machine.config.system.build.vm;
            meta.description = "Boot the development machine; its page is on port 8080";
          };
      });

      checks = forEachSystem (pkgs: import ./tests/module/checks.nix { inherit agenix pkgs self; });

      devShells = forEachSystem (pkgs: {
        default = import ./modules/packages/shell.nix { inherit agenix pkgs; };
      });

      formatter = forEachSystem (pkgs: pkgs.nixfmt-tree);
    };
}
