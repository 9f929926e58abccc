"""Silent speech, from surface EMG."""

from unvoiced.augmentation import EMG_WARPS
from unvoiced.files import ARRAY_SUFFIXES, EMG_SUFFIXES
from unvoiced.tasks.spec import TaskSpec, register_task

EMG = register_task(
    TaskSpec(
        name="emg",
        title="Silent speech, read from your muscles",
        files=(*EMG_SUFFIXES, *ARRAY_SUFFIXES),
        input_description="a recording (.csv, .npy)",
        upload_description="a recording (.csv or .npy)",
        reader="unvoiced.readers.read_emg",
        stream="unvoiced.streams.emg.EMGStream",
        silence="datamodules.silence.muscle.MuscleSilence",
        support_warps=EMG_WARPS,
        fine_tuning_note="with one and three recordings of 30 words it read at most 0.65 and 0.75 "
        "of a session, and a profile 0.71 and 0.86.",
        recorder="datamodules.recorders.signal.SignalRecorder",
        examination="unvoiced.doctor.signals.SignalExamination",
        has_open_text=True,
        frame_shapes=((None,),),
        not_found="Nothing was heard.",
        simulated_source="on muscle signals that a computer made up, not on people",
        result_sets=("emg_words", "emg_phases"),
    )
)
