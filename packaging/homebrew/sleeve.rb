# Homebrew's formula for Sleeve, built from the checkout that it is in:
#
#   brew tap-new local/sleeve
#   ln -s "$PWD/packaging/homebrew/sleeve.rb" "$(brew --repository local/sleeve)/Formula/"
#   brew install --HEAD local/sleeve/sleeve
#
# HAS NEVER RUN: its syntax was checked, and nothing more. A release adds `url` and `sha256` of its source beside `head`.
class Sleeve < Formula
  desc "Music embeddings: audio to mel-spectrograms, embeddings and tags"
  license any_of: ["MIT", "Apache-2.0"]
  head "file://#{File.expand_path("../../..", File.realpath(__FILE__))}", using: :git, branch: "main"

  depends_on "cargo-c" => :build
  depends_on "rust" => :build

  def install
    system "cargo", "install", *std_cargo_args(path: "cli")
    cd "bindings/c" do
      system "cargo", "cinstall", "--locked", "--release", "--prefix", prefix, "--libdir", lib
    end
    generate_completions_from_executable(bin/"sleeve", "completions")
    system bin/"sleeve", "man", "--output", man1
    pkgshare.install "examples/c", "examples/audio"
  end

  test do
    assert_match "electronic",
                 shell_output("#{bin}/sleeve extract --model msd-musicnn-1 #{pkgshare}/audio/ground.ogg")
    system ENV.cc, pkgshare/"c/extract.c", "-I#{include}", "-L#{lib}", "-lsleeve", "-o", "extract"
    assert_match "embeddings of 200 values", shell_output("./extract #{pkgshare}/audio/ground.ogg")
  end
end
