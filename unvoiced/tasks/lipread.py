"""A few words or phrases, from clips of a mouth."""

from unvoiced.augmentation import WORD_WARPS
from unvoiced.files import VIDEO_SUFFIXES
from unvoiced.starters import Starter
from unvoiced.tasks.spec import TaskSpec, register_task

LIPREAD = register_task(
    TaskSpec(
        name="lipread",
        title="Words, read from your lips",
        files=VIDEO_SUFFIXES,
        input_description="a video, or a folder of images",
        upload_description="a clip (.mp4, .webm, .mov …)",
        reader="unvoiced.readers.read_mouth",
        stream="unvoiced.streams.lips.LipStream",
        web_stream="lips",
        capturer="unvoiced.teaching.words.WordCapturer",
        recorder="datamodules.recorders.mouth.MouthRecorder",
        examination="unvoiced.doctor.faces.FaceExamination",
        silence="datamodules.silence.mouth.MouthSilence",
        support_warps=WORD_WARPS,
        fine_tuning_note="with three recordings of ten words it read 0.81 of 100 recordings of "
        "two speakers, and a profile 0.89.",
        has_camera=True,
        has_frame_folders=True,
        has_lips=True,
        frame_shapes=((None, None),),
        hint="Look into the camera and say one word at a time; no sound is recorded.",
        teaching_hint=(
            "The model asks for one word after the other. Say each as often as it is asked for, "
            "and close your mouth for a moment after it. The model's outputs for your mouth "
            "are kept, no images."
        ),
        not_found="No face is in sight.",
        not_sure="A face; no word that is sure.",
        simulated_source="on mouths that a computer drew, not on people",
        starter=Starter(
            file="words.onnx",
            sha256="a2b7ea153c9f978a14023e558a73b9d3227e87911d139f40d6b360be41887ffe",
            trained_on="120 simulated mouths alone",
            reads="40 of 100 words of ten people whom it has never seen",
            teaching="87 of 100 after three recordings per word,",
        ),
        result_sets=("words", "phrases", "grid_words"),
    )
)
