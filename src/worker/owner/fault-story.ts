import { QualityFault } from '../engine/stream-quality.js';

/** How a lasting fault of a source is told: when it comes, why it is said, and when it has gone. */
export interface FaultWords {
  readonly begin: string;
  readonly why: string;
  readonly end: string;
}

export const FAULT_WORDS: Readonly<Record<QualityFault, FaultWords>> = {
  [QualityFault.VideoSilent]: {
    begin: 'no video arrives',
    why: 'the tables name it and other packets come',
    end: 'video arrives again',
  },
  [QualityFault.AudioSilent]: {
    begin: 'no audio arrives',
    why: 'the tables name it and other packets come',
    end: 'audio arrives again',
  },
  [QualityFault.StampsFrozen]: {
    begin: 'the picture stands still',
    why: 'pictures arrive and their time stamps do not move on',
    end: 'the picture moves again',
  },
  [QualityFault.ClockStopped]: {
    begin: 'the program clock stands still',
    why: 'no new PCR arrives, players lose their pace',
    end: 'the program clock runs again',
  },
  [QualityFault.NoKeyframe]: {
    begin: 'no keyframe arrives',
    why: 'new players have to begin far behind',
    end: 'keyframes arrive again',
  },
  [QualityFault.Scrambled]: {
    begin: 'the stream is scrambled',
    why: 'nobody can show it without its key',
    end: 'the stream is in the clear again',
  },
  [QualityFault.PacketLoss]: {
    begin: 'packets are lost',
    why: 'at least ten losses in the last minute, before they came here',
    end: 'hardly any packet is lost any more',
  },
  [QualityFault.Repeats]: {
    begin: 'the programme repeats itself',
    why: 'with new time stamps, as a slate of the broadcaster does: nothing is changed',
    end: 'the programme goes on',
  },
  [QualityFault.Replay]: {
    begin: 'old media from every engine that was tried',
    why: 'it is played on, and another engine is tried again later',
    end: 'new media again',
  },
  [QualityFault.LiveFrozen]: {
    begin: 'the live position stands still',
    why: 'the engine says so while bytes come',
    end: 'the live position moves again',
  },
};
