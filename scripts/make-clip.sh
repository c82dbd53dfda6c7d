#!/bin/sh
# Makes test/fixtures/channel.mpegts, the clip that the engine simulator loops. Needs ffmpeg with libx264.
#
# The clip is exactly 8 s: the shortest length that is whole at once in H.264 GOPs (2 s), video frames (40 ms) and
# AAC frames (1024 samples at 48 kHz), so that copies put end to end overlap and miss nothing.
set -eu

out="${1:-$(dirname "$0")/../test/fixtures/channel.mpegts}"
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT

ffmpeg -v error -y -f lavfi -i 'testsrc2=size=640x360:rate=25:duration=8' \
  -vf "drawtext=text='%{pts\:hms}':x=24:y=24:fontsize=36:fontcolor=white:box=1:boxcolor=black" \
  -c:v libx264 -profile:v main -preset slow -pix_fmt yuv420p -bf 0 -g 50 -keyint_min 50 -sc_threshold 0 \
  -x264-params open-gop=0 -b:v 560k -maxrate 600k -bufsize 600k "$work/video.h264"

# 24 s of tone, of which the middle 375 frames are kept: no encoder onset is heard where the loop joins.
ffmpeg -v error -y -f lavfi -i 'sine=frequency=480:sample_rate=48000:duration=24' \
  -ac 2 -c:a aac -b:a 64k -f adts "$work/long.aac"
ffmpeg -v error -y -i "$work/long.aac" -c:a copy -bsf:a "noise=drop='lt(n\,375)+gte(n\,750)'" -f adts "$work/audio.aac"

ffmpeg -v error -y -r 25 -i "$work/video.h264" -i "$work/audio.aac" -map 0:v -map 1:a -c copy -shortest \
  -metadata service_provider=simulator -metadata service_name='Test channel' \
  -f mpegts -pat_period 0.1 -pcr_period 40 "$out"
