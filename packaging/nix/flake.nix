# Sleeve for Nix, built from the checkout that this is in:
#
#   nix build 'path:.?dir=packaging/nix'           the program
#   nix build 'path:.?dir=packaging/nix#library'   libsleeve with headers
#
# HAS NEVER RUN: its syntax was checked, and nothing more. There is no flake.lock, so nixpkgs is the newest.
{
  description = "Music embeddings: audio to MusiCNN mel-spectrograms, embeddings and tags";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixpkgs-unstable";

  outputs = { self, nixpkgs }:
    let
      systems = [ "x86_64-linux" "aarch64-linux" "x86_64-darwin" "aarch64-darwin" ];
      forEach = make: nixpkgs.lib.genAttrs systems (system: make nixpkgs.legacyPackages.${system});
      # The root of the repository, two folders above this file.
      common = {
        version = "0.2.0";
        src = self.sourceInfo.outPath;
        cargoLock.lockFile = self.sourceInfo.outPath + "/Cargo.lock";
        # The suite fetches peers, which a build may not.
        doCheck = false;
      };
      licences = pkgs: with pkgs.lib.licenses; [ mit asl20 ];
    in
    {
      packages = forEach (pkgs: rec {
        default = program;

        program = pkgs.rustPlatform.buildRustPackage (common // {
          pname = "sleeve";
          cargoBuildFlags = [ "--package" "sleeve-cli" ];
          nativeBuildInputs = [ pkgs.installShellFiles ];
          postInstall = ''
            for shell in bash fish zsh; do
              $out/bin/sleeve completions $shell > sleeve.$shell
            done
            installShellCompletion sleeve.bash sleeve.fish --zsh sleeve.zsh
            $out/bin/sleeve man --output man
            installManPage man/*.1
          '';
          meta = {
            description = "Tags and embeddings of music files";
            license = licences pkgs;
            mainProgram = "sleeve";
          };
        });

        library = pkgs.rustPlatform.buildRustPackage (common // {
          pname = "libsleeve";
          nativeBuildInputs = [ pkgs.cargo-c ];
          buildPhase = ''
            runHook preBuild
            (cd bindings/c && cargo cbuild --release --frozen --prefix $out)
            runHook postBuild
          '';
          installPhase = ''
            runHook preInstall
            (cd bindings/c && cargo cinstall --release --frozen --prefix $out)
            runHook postInstall
          '';
          meta = {
            description = "Music embeddings, the library for C and C++";
            license = licences pkgs;
          };
        });
      });
    };
}
