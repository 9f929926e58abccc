// Requests of the panels; the server of stage=serve or a worker of the web app answers them.

/**
 * @typedef {Object} TextState
 * @property {string} text of the session
 * @property {string[]} [suggestions] for its end, at most three, best first
 *
 * @typedef {Object} OwnTexts of the visitor
 * @property {string[]} words names and other words, suggested first
 * @property {string[]} phrases suggested while their beginning is spelled
 *
 * @typedef {Object} FrameReading
 * @property {[string, number][]} top the likeliest labels with their probabilities, at most three
 * @property {boolean} sure the first one is above the threshold
 * @property {boolean} found a hand or face is in the image
 * @property {string | ImageBitmap | null} seen the image with the hand or mouth marked: a URL, or a bitmap
 * @property {{kind: string, label: string}[]} events
 * @property {Object<string, number>} ms durations, "model" among them
 * @typedef {TextState & FrameReading} Reading
 *
 * @typedef {Object} Progress of a lesson
 * @property {"ready" | "capture" | "done"} phase
 * @property {string} label
 * @property {string} name the label as it is shown
 * @property {number} index of the label
 * @property {number} total number of labels
 * @property {number} shot number of recordings of the label so far
 * @property {number} shots number of recordings of the label in all
 * @property {number} countdown_s
 * @property {number} remaining_s
 * @property {boolean} is_visible
 * @property {{name: string, read: string, sure: number, image: string}} [captured]
 *
 * @typedef {Object} LessonAnswerer
 * @property {boolean} isOpen
 * @property {(wanted: {labels: string[], shots: number}) => Promise<Progress>} open
 * @property {(source: HTMLVideoElement, seconds: number) => Promise<Progress>} readFrame
 * @property {(action: "redo" | "skip" | "stop") => Promise<Progress>} steer
 * @property {() => Promise<{file: Blob, text: string, comparison: string}>} finish the profile is in use afterwards
 * @property {() => void} close
 * @property {(label: string) => string} getExample the URL of a drawing
 *
 * @typedef {Object} ProfileAnswerer
 * @property {(file: Blob) => Promise<string>} use returns a description
 * @property {() => Promise<void>} forget
 * @property {() => Promise<{file: Blob, text: string} | null>} [restore] the profile of an earlier visit, in use from now on
 * @property {boolean} [isKept] the browser keeps it for the next visit
 *
 * @typedef {Object} CorrectionsAnswerer
 * @property {(source: string) => Promise<{answer: string, labels: string[]}>} mark
 * @property {(label: string) => Promise<{label: string, text: string}>} correct
 * @property {() => Promise<Blob>} pack
 * @property {() => Promise<{file: Blob, text: string}>} extendProfile
 * @property {() => Promise<void>} forget
 * @property {() => void} close
 * @property {(() => void) | null} onExpired called when earlier corrections are gone
 *
 * @typedef {Object} Finding of the self-test
 * @property {string} check
 * @property {boolean | null} is_ok null: it cannot be judged
 * @property {string} measured
 * @property {string} expected
 * @property {string} problem empty if nothing is wrong
 * @property {string} remedy
 *
 * @typedef {Object} DiagnosisAnswerer
 * @property {() => Promise<number>} start returns the seconds that are examined
 * @property {() => Promise<{findings: Finding[], summary: string}>} finish
 *
 * @typedef {Object} Answerer
 * @property {boolean} isOpen
 * @property {() => Promise<void>} openSession
 * @property {(source: HTMLVideoElement, seconds: number) => Promise<Reading>} readFrame
 * @property {(name: "space" | "backspace") => Promise<TextState>} type
 * @property {() => Promise<TextState>} clear
 * @property {(n: number, text: string) => Promise<TextState>} [accept] the n-th suggestion, which has this text
 * @property {() => Promise<TextState>} [undo] the last hold, acceptance or key; the same state if there is none
 * @property {OwnTexts} [ownTexts] used by the next session
 * @property {(texts: OwnTexts) => Promise<void>} [configure] check them, and use them from now on
 * @property {() => void} close
 * @property {LessonAnswerer | null} lesson
 * @property {ProfileAnswerer | null} profile
 * @property {CorrectionsAnswerer | null} corrections
 * @property {DiagnosisAnswerer | null} [diagnosis]
 */

/** An error with a sentence for the visitor. */
export class AnswerError extends Error {
  /**
   * @param {string} sentence
   * @param {"busy" | "expired" | "refused" | "failed"} kind busy: an earlier call is not finished;
   *   expired: the session is gone with its text
   */
  constructor(sentence, kind = "failed") {
    super(sentence);
    this.kind = kind;
  }
}
