"""The ASL alphabet, from hand landmarks."""

from unvoiced.files import ARRAY_SUFFIXES, IMAGE_SUFFIXES, LANDMARK_SUFFIXES, VIDEO_SUFFIXES
from unvoiced.starters import Starter
from unvoiced.tasks.spec import TaskSpec, register_task

ASL = register_task(
    TaskSpec(
        name="asl",
        title="The ASL alphabet, read from your hand",
        files=(*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, *LANDMARK_SUFFIXES, *ARRAY_SUFFIXES),
        input_description="an image, a video, or landmarks (.csv, .npy)",
        upload_description=(
            "an image (.jpg, .png …), a clip (.mp4, .webm, .mov …) or landmarks (.csv, .npy)"
        ),
        reader="unvoiced.readers.read_hand",
        stream="unvoiced.streams.fingerspelling.FingerspellingStream",
        web_stream="fingerspelling",
        capturer="unvoiced.teaching.holds.HoldCapturer",
        recorder="datamodules.recorders.hand.HandRecorder",
        examination="unvoiced.doctor.hands.HandExamination",
        example="datamodules.simulators.hand.drawing.draw_sign",
        silence="datamodules.silence.hand.HandSilence",
        has_camera=True,
        drawn_labels=("J", "Z"),
        has_joined_labels=True,
        landmark_files=(*LANDMARK_SUFFIXES, *ARRAY_SUFFIXES),
        frame_shapes=((63,), (126,)),
        is_rate_required=False,
        unit="letters",
        hint="Show one hand and hold each letter for a moment.",
        teaching_hint=(
            "The model asks for one sign after the other. Hold each still for a moment, until it "
            "is captured; between two captures, move your hand a little. The points of your hand "
            "are kept, no images."
        ),
        not_found="No hand is in sight.",
        not_sure="A hand, but no letter that is sure.",
        simulated_source="on hands that a computer drew, not on people",
        starter=Starter(
            file="letters.onnx",
            sha256="3afc1aa824c061d5bf2359b9f7bfe4116de81d691f20536e6a7bd6322d684cee",
            trained_on="2,000 simulated hands alone",
            reads="83 of 100 letters of six people whom it has never seen",
            teaching="97 of 100 after one recording per letter,",
        ),
        result_sets=("letters", "foreign_letters"),
    )
)
