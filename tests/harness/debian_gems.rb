# Packs gems that Debian has installed here as a gem server would have them, with its compact index and the old one.
#
#   ruby debian_gems.rb FOLDER NAME=VERSION ...
#
# VERSION is what the gem is called in the index; the files are those of Debian's version.
require "digest"
require "fileutils"
require "rubygems/package"
require "zlib"

folder = ARGV.shift
%w[gems info quick/Marshal.4.8].each { |name| FileUtils.mkdir_p("#{folder}/#{name}") }

specs = ARGV.to_h { |pin| pin.split("=") }.map do |name, version|
  spec = Gem::Specification.find_by_name(name).dup
  place = spec.full_gem_path
  spec.version = version
  spec.files = Dir.chdir(place) { Dir["**/*"].select { |path| File.file?(path) } }
  spec.dependencies.reject! { |needed| needed.type == :development }
  Dir.chdir(place) { Gem::Package.build(spec, true, false, "#{folder}/gems/#{name}-#{version}.gem") }
  spec
end

listed = specs.map do |spec|
  needs = spec.dependencies.map { |needed| "#{needed.name}:#{needed.requirement.as_list.join("&")}" }.join(",")
  checksum = Digest::SHA256.file("#{folder}/gems/#{spec.full_name}.gem").hexdigest
  ruby = spec.required_ruby_version.as_list.join("&")
  info = "---\n#{spec.version} #{needs}|checksum:#{checksum},ruby:#{ruby}\n"
  File.write("#{folder}/info/#{spec.name}", info)
  packed = Zlib::Deflate.deflate(Marshal.dump(spec))
  File.binwrite("#{folder}/quick/Marshal.4.8/#{spec.full_name}.gemspec.rz", packed)
  "#{spec.name} #{spec.version} #{Digest::MD5.hexdigest(info)}\n"
end
File.write("#{folder}/versions", "created_at: 2024-01-01T00:00:00Z\n---\n#{listed.join}")
File.write("#{folder}/names", "---\n#{specs.map { |spec| "#{spec.name}\n" }.join}")
rows = specs.map { |spec| [spec.name, spec.version, "ruby"] }
{ "specs" => rows, "latest_specs" => rows, "prerelease_specs" => [] }.each do |name, content|
  Zlib::GzipWriter.open("#{folder}/#{name}.4.8.gz") { |out| out.write(Marshal.dump(content)) }
end
